"""What the learner has reached in the quickstart: facts in the workspace, values in the notebook."""

from __future__ import annotations

import csv

from academy.labs.checks import Facts, check


@check("read-accuracy")
def read_accuracy(facts: Facts) -> None:
    accuracy = facts.value("accuracy")
    logged = facts.run(facts.value("job_name")).data.metrics["accuracy"]
    facts.expect(
        isinstance(accuracy, float) and abs(accuracy - logged) < 1e-9,
        expected=f"the accuracy that the job logged, {logged:.3f}",
        found=accuracy,
        advice="Take it from run.data.metrics, by the metric's name.",
    )


@check("register-model", parts=3)
def register_model(facts: Facts) -> None:
    name = facts.value("model_name")
    versions = [int(found.version) for found in facts.ml_client.models.list(name=name)]
    facts.require(
        versions,
        expected=f"a model named {name}",
        found="none",
        advice="Give Model(name=model_name, …) to ml_client.models.create_or_update.",
    )
    model = facts.ml_client.models.get(name, version=str(max(versions)))
    facts.expect(
        model.type == "mlflow_model",
        expected="a model of the type mlflow_model",
        found=model.type,
        advice="Give type=AssetTypes.MLFLOW_MODEL: the deployment then needs no scoring script.",
    )
    facts.expect(
        model.job_name == facts.value("job_name"),
        expected="a model that comes from this notebook's job",
        found=model.job_name or "a path that names no job",
        advice="The path begins with azureml://jobs/ and the job's name.",
    )


@check("ask-endpoint", parts=2)
def ask_endpoint(facts: Facts) -> None:
    # Two biopsies at the ends of the table's scale: any sensible model agrees with the pathologist.
    numbers = [0, 46]
    with (facts.folder / "data" / "breast-cancer.csv").open(newline="") as table:
        diagnoses = [row["diagnosis"] for row in csv.DictReader(table)]
    answered = facts.call("ask", numbers)
    facts.require(
        isinstance(answered, list) and len(answered) == len(numbers),
        expected=f"a list of {len(numbers)} diagnoses, one for each row",
        found=answered,
        advice="Return what json.loads makes of the endpoint's answer.",
    )
    facts.expect(
        answered == [diagnoses[number] for number in numbers],
        expected=f"the diagnoses of rows {numbers}: {', '.join(diagnoses[number] for number in numbers)}",
        found=answered,
        advice="Send the rows whose numbers ask() is given, without the column diagnosis.",
    )
