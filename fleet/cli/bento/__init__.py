"""The commands over a Bento cluster, and the ways on which others reach one."""
