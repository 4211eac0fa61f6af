"""What the learner has reached, task by task: facts in the workspace and values in the notebook."""

from __future__ import annotations

from academy.labs.checks import Facts, check


@check("register-table", parts=2)
def register_table(facts: Facts) -> None:
    name = facts.value("data_name")
    found = [asset.version for asset in facts.ml_client.data.list(name=name)]
    facts.require(
        found,
        expected=f"a data asset named {name}",
        found="none",
        advice="Give Data(name=data_name, …) to ml_client.data.create_or_update.",
    )
    newest = facts.ml_client.data.get(name, label="latest")
    facts.expect(
        newest.type == "uri_file",
        expected="an asset of the type uri_file",
        found=newest.type,
        advice="Give type=AssetTypes.URI_FILE.",
    )


@check("count-long-months")
def count_long_months(facts: Facts) -> None:
    counted = facts.call("long_months", [31, 28, 31, 30], 30)
    facts.expect(
        counted == 2,
        expected="2 for the days 31, 28, 31, 30 and the limit 30",
        found=counted,
        advice="Count the months that have more days than the limit.",
    )
