"""What the learner has reached in the quickstart: facts in the workspace, values in the notebook."""

from __future__ import annotations

import csv
from datetime import datetime
from typing import Any

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
    job = facts.ml_client.jobs.get(facts.value("job_name"))
    versions = list(facts.ml_client.models.list(name=name))
    # What was there before this notebook's job, such as the model of `make quickstart`, is other work.
    since = [one for one in versions if _made_at(one) >= _made_at(job)]
    facts.require(
        since,
        expected=f"a model named {name}, registered after this notebook's job ran",
        found="only versions from before this job" if versions else "none",
        advice="Give Model(name=model_name, …) to ml_client.models.create_or_update.",
    )
    model = facts.ml_client.models.get(name, version=max(since, key=_made_at).version)
    facts.expect(
        model.type == "mlflow_model",
        expected="a model of the type mlflow_model",
        found=model.type,
        advice="Give type=AssetTypes.MLFLOW_MODEL: the deployment then needs no scoring script.",
    )
    other = f"the job {model.job_name}, not this notebook's"
    facts.expect(
        model.job_name == job.name,
        expected=f"a model that comes from this notebook's job, {job.name}",
        found=other if model.job_name else "a path that names no job",
        advice="The path begins with azureml://jobs/ and the job's name.",
    )


def _made_at(resource: Any) -> datetime:
    moment: datetime = resource.creation_context.created_at
    return moment


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
