"""Train a classifier on a table of measurements, and log what it is worth to MLflow.

The script knows nothing of Azure ML: it gets a path and a number, and writes to MLflow's active run.
That is why the same file runs on a laptop, as a job here, and as a job on Azure.
"""

import argparse
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="a CSV file with a column 'diagnosis'")
    parser.add_argument("--regularization", type=float, default=1.0, help="larger is stronger")
    arguments = parser.parse_args()

    table = pd.read_csv(arguments.data)
    measures, diagnosis = table.drop(columns="diagnosis"), table["diagnosis"]
    # Stratified, so that both parts hold the same share of malignant cases; seeded, so that it repeats.
    train_x, test_x, train_y, test_y = train_test_split(
        measures, diagnosis, test_size=0.3, stratify=diagnosis, random_state=0
    )
    print(f"{len(train_x)} rows to train on, {len(test_x)} to test on")

    # scikit-learn's C is the inverse of the strength of regularization.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / arguments.regularization))
    model.fit(train_x, train_y)

    predicted = model.predict(test_x)
    malignant = model.predict_proba(test_x)[:, list(model.classes_).index("malignant")]
    accuracy = accuracy_score(test_y, predicted)
    auc = roc_auc_score(test_y == "malignant", malignant)
    print(f"accuracy {accuracy:.3f}, area under the ROC curve {auc:.3f}")

    mlflow.log_param("regularization", arguments.regularization)
    mlflow.log_metrics({"accuracy": accuracy, "auc": auc})
    mlflow.sklearn.log_model(
        model,
        "model",
        signature=infer_signature(test_x, predicted),
        # Named rather than guessed: MLflow would load the model once more to see what it imports.
        pip_requirements=str(Path(__file__).with_name("model-requirements.txt")),
    )


if __name__ == "__main__":
    main()
