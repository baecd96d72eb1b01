"""The rest of a network: convolution, pooling, activations, dropout, linear, sequential."""
