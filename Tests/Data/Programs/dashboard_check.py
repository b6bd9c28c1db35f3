"""Asks a Prometheus for what each panel of the Grafana dashboard shows.

dashboard_check.py DASHBOARD PROMETHEUS SECONDS

Prints each query that has no data, or only values that are no numbers, SECONDS after the start. Exits with 1 if there
is one, and with 2 if the dashboard has no queries.
"""

import json
import math
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# Grafana replaces these in each query.
VARIABLES = {
    "$__rate_interval": "10s",
    "$__range": "1m",
    "$job": ".+",
    "$instance": ".+",
}


def queries(dashboard):
    """The queries of panels, with the titles of these, and of variables, whose metric must exist."""
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            metric = variable["definition"].removeprefix("label_values(").rpartition(",")[0]
            yield f"the variable {variable['name']}", metric


def replaced(query):
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    return query


def fault(query, prometheus):
    """What is wrong with the answer to a query; None if it has a number."""
    parameters = urllib.parse.urlencode({"query": replaced(query)})
    try:
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?{parameters}", timeout=10) as response:
            result = json.load(response)["data"]["result"]
    except urllib.error.HTTPError as error:
        return json.load(error)["error"]
    if not result:
        return "no data"
    values = [float(series["value"][1]) for series in result]
    return None if any(math.isfinite(value) for value in values) else f"only {values}"


def main():
    path, prometheus, seconds = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        every = list(queries(json.load(file)))
    if not every:
        sys.exit(2)
    end = time.monotonic() + float(seconds)
    while True:
        faults = [(title, query, what) for title, query in every if (what := fault(query, prometheus))]
        if not faults or time.monotonic() > end:
            break
        time.sleep(0.5)
    for title, query, what in faults:
        print(f"{title}: {replaced(query)}: {what}")
    print(f"{len(every)} queries, {len(faults)} without data")
    sys.exit(1 if faults else 0)


main()
