"""How fast the workbook trains, beside PyTorch and scikit-learn: ``make bench``."""
