"""The network and its training, in NumPy alone: whatever determines a result. Read the files in this order:

1. ``layers``         affine, ReLU, batch normalisation, dropout: each backward directly under its forward
2. ``losses``         softmax and sigmoid cross-entropy, hinge, the L2 penalty
3. ``network``        the layers put together: parameters, forward, backward, initial weights
4. ``optimizers``     SGD, momentum, Nesterov's momentum, AdaGrad, Adam
5. ``schedules``      the triangular cyclical learning rate, and rates that decay
6. ``augmentation``   flip, shift, blur and noise
7. ``splits``         training, validation and test images, and how they are normalised
8. ``training``       minibatches, the training loop, logging, evaluation
9. ``passes``         from the settings of several runs to their results, trained in one pass over the data
10. ``products``      how T networks share one matrix product without changing a bit; only needed for speed
"""
