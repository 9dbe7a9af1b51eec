"""Studies in other tools, TensorBoard, W&B, MLflow and Optuna, and as a report in HTML."""
