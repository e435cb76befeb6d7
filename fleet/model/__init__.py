"""The vocabulary: immutable values that pass between the stages. Standard library only; no I/O."""
