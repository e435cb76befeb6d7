"""PURE. What is sent to hosts as shell: quoting, programs that answer, the journal and whose turn it is."""
