"""From a trained network to a prediction on the native grid."""
