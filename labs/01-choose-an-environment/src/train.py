"""Train a classifier of wines on a table of measurements, and log it to MLflow.

The script knows nothing of Azure ML, of a service or of an audit trail: it reads a file, and writes to
MLflow. That is why it can be run anywhere, and why somebody else has to write down what it ran on.
"""

import argparse
from importlib.metadata import version

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

# What the model needs to answer. It is pinned to the versions that it is trained with.
NEEDED = ("mlflow", "numpy", "pandas", "scikit-learn")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True, help="a CSV file with a column 'grape'")
    parser.add_argument("--regularization", type=float, default=1.0, help="larger is stronger")
    arguments = parser.parse_args()

    table = pd.read_csv(arguments.data)
    measures, grape = table.drop(columns="grape"), table["grape"]
    # Stratified, so that both parts hold the same share of each grape; seeded, so that it repeats.
    train_x, test_x, train_y, test_y = train_test_split(
        measures, grape, test_size=0.4, stratify=grape, random_state=0
    )
    print(f"{len(train_x)} wines to train on, {len(test_x)} to test on")

    # scikit-learn's C is the inverse of the strength of regularization.
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1 / arguments.regularization))
    model.fit(train_x, train_y)
    probabilities = model.predict_proba(test_x)
    accuracy = accuracy_score(test_y, model.predict(test_x))
    loss = log_loss(test_y, probabilities)
    print(f"accuracy {accuracy:.3f}, log loss {loss:.3f}")

    with mlflow.start_run():
        mlflow.log_param("regularization", arguments.regularization)
        mlflow.log_metrics({"accuracy": accuracy, "log_loss": loss})
        mlflow.sklearn.log_model(
            model,
            name="model",
            # The plant asks how sure the model is, so that doubtful bottles go to the laboratory.
            pyfunc_predict_fn="predict_proba",
            signature=infer_signature(test_x, probabilities),
            # Rows that a trial scores later: here, and where the model is to run.
            input_example=test_x.head(5),
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
        )


if __name__ == "__main__":
    main()
