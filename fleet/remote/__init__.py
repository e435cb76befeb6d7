"""RUNS ON THE HOSTS. Node, driver, sampler and prover."""
