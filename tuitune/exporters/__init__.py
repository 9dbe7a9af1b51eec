"""Studies in other tools: TensorBoard, W&B, MLflow, Optuna."""
