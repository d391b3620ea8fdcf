def entries(): return {}
