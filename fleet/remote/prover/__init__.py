"""The synthetic prover: real field arithmetic, on real or emulated devices."""
