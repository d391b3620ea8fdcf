"""The parts that every check uses. They import no kind of check and no network code."""
