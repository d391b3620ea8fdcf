"""What the command costs, beside a straightforward script and beside the least that its network operations cost."""
