"""GRD: gradients that do not arrive, or arrive too large."""
