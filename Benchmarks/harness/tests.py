"""Tests of the computation of verdicts, slopes and tables from figures. They measure nothing; `make test` runs them."""

import contextlib
import io
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

from harness import growth, pgbench
from harness.bench import TLS, document
from harness.comparison import Comparison, Goal, check, chosen, read
from harness.contenders import NULL_RELAY, Pgleash
from harness.results import Figure, Results, cell, cells, commit, interval, summary, verdict

GOAL = Goal("CPU", "cpu", ("both-connect",), "at most", 1.05, NULL_RELAY)
SMALL = Comparison("small", "make small", "Small", [Pgleash(), NULL_RELAY], TLS.workloads, [GOAL])


def results_of(**rounds):
    """CPU times of pgleash and of the null relay in each round of workloads, the names of which have _ for -."""
    results = Results("note")
    for workload, pairs in rounds.items():
        for number, pair in enumerate(pairs, 1):
            for name, value in zip(("pgleash", NULL_RELAY.name), pair):
                results.add(number, workload.replace("_", "-"), name, {"cpu": value})
    return results


class Verdicts(unittest.TestCase):
    def test_the_interval_of_the_median_leaves_out_what_it_can(self):
        for count, place in [(5, 1), (7, 1), (8, 2), (10, 2), (11, 3), (15, 4)]:
            self.assertEqual(interval(range(1, count + 1)), (place, count + 1 - place), count)
        self.assertIsNone(interval(range(4)))

    def test_a_verdict_is_the_medians_and_certain_where_the_interval_does_not_reach_over_the_goal(self):
        for ratios, expected in [
            ([0.5] * 4, "held (not certain)"),
            ([0.9, 1.0, 1.0, 1.0, 1.04], "held"),
            ([0.9, 1.0, 1.0, 1.0, 1.06], "held (not certain)"),
            ([1.06, 1.1, 1.1, 1.1, 1.2], "not held"),
            ([1.04, 1.1, 1.1, 1.1, 1.2], "not held (not certain)"),
            ([1.0] * 7 + [9.0], "held"),
            ([1.0] * 6 + [9.0, 9.0], "held (not certain)"),
            ([], "not measured"),
        ]:
            self.assertEqual(verdict(ratios, "at most", 1.05), expected, ratios)

    def test_goals_are_counted(self):
        verdicts = ["held", "held (not certain)", "not held", "not held (not certain)", "not measured"]
        expected = "2 of 5 goals are held, 1 of these not certain; 2 are not held, 1 of these not certain; "
        self.assertEqual(summary(verdicts), expected + "1 were not measured")
        self.assertEqual(summary(verdicts[:1]), "1 of 1 goals are held")

    def test_check_fails_for_what_is_not_held_or_not_there(self):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            check(SMALL, results_of(both_connect=[(1, 1), (1, 1), (2, 1)]))
            self.assertIn("held (not certain)", output.getvalue())
            with self.assertRaisesRegex(SystemExit, "0 of 1 goals are held; 1 are not held, 1 of these not certain"):
                check(SMALL, results_of(both_connect=[(1, 1), (2, 1), (2, 1)]))
        with self.assertRaisesRegex(SystemExit, "there is no /nowhere/small.csv.* `make small` measures"):
            read(SMALL, pathlib.Path("/nowhere/small.csv"))

    def test_a_figure_that_was_measured_once_has_no_doubt(self):
        for values, expected in [
            ([1.0], "held"),
            ([1.0] * 4 + [1.2], "held (not certain)"),
            ([1.0] + [1.2] * 4, "**not held** (not certain)"),
        ]:
            self.assertEqual(cells(Figure("", "", values, ("at most", 1.1)))[-1], expected)


class Transactions(unittest.TestCase):
    """Two clients that end a transaction each 10 ms, the first from 1 s on, the other from 2 s on for 1 s longer."""

    transactions = [(client, client + n / 100, 100 * client) for client in (1, 2) for n in range(1, 201)]
    samples = [(moment / 10, moment / 1000) for moment in range(50)]

    def test_count_while_all_clients_are_at_work(self):
        measured = pgbench.figures(self.samples, self.transactions)
        self.assertAlmostEqual(measured["transactions/s"], 200, delta=5)
        self.assertAlmostEqual(measured["cpu"], 1e4 / 200, delta=2)
        self.assertEqual((measured["p50"], measured["p99"]), (200, 200))

    def test_tell_nothing_where_that_was_hardly_ever(self):
        for delay, is_enough in ((0.2, True), (0.5, False)):
            late = [(client, moment + delay * (client == 2), latency) for client, moment, latency in self.transactions]
            self.assertEqual(pgbench.figures(self.samples, late) is not None, is_enough)
        self.assertIsNone(pgbench.figures(self.samples[:10], self.transactions))


class Tables(unittest.TestCase):
    def test_a_median_stands_before_the_range_of_several_rounds(self):
        self.assertEqual([cell(values) for values in ([2], [1, 4, 2])], ["2.00", "2.00 (1.00–4.00)"])

    def test_the_head_counts_rounds_and_names_the_target(self):
        for rounds, expected in [
            ({"both_connect": [(1, 1)]}, "What a single round gave. `make small` writes this"),
            ({"both_connect": [(1, 1)] * 2}, "Medians of 2 rounds"),
            ({"both_connect": [(1, 1)], "both_copy_in": [(1, 1)] * 3}, "Medians of 1 to 3 rounds"),
        ]:
            self.assertIn(expected, "\n".join(document(SMALL, results_of(**rounds))))

    def test_ratios_end_with_how_far_they_reach(self):
        rounds = {"both_connect": [(1, 2), (2, 2), (3, 2)], "both_simple_8": [(3, 2)] * 3, "both_copy_in": [(9, 2)] * 3}
        expected = "| least and most of the transactions' medians | 1.00–1.50 |"
        self.assertIn(expected, document(SMALL, results_of(**rounds)))


class Choice(unittest.TestCase):
    def test_a_pattern_may_leave_out_what_says_where_there_is_tls_and_has_to_fit_something(self):
        for patterns, expected in [
            (["connect"], ["server-connect", "both-connect"]),
            (["simple-8", "both-idle"], ["server-simple-8", "both-simple-8", "both-idle"]),
            (["server-copy-*"], ["server-copy-out", "server-copy-in"]),
        ]:
            self.assertEqual([workload.name for workload in chosen(TLS.workloads, patterns)], expected)
        with self.assertRaisesRegex(SystemExit, "simple-7 is none of: server-simple-8,"):
            chosen(TLS.workloads, ["simple-7"])


class Slopes(unittest.TestCase):
    sessions = growth.GROWTHS[0]

    def results(self, *slopes):
        """Rounds in which a transaction costs 10 µs and so much more for each session, for both contenders."""
        costs = {n: [[10 + slope * n for slope in pair] for pair in slopes] for n in self.sessions.levels}
        return results_of(**{f"simple_{n}": rounds for n, rounds in costs.items()})

    def test_a_line_is_found_in_each_round(self):
        lines = self.sessions.lines(self.results((0.1, 1), (0.3, 1), (0.2, 1)), "pgleash").values()
        for line, slope in zip(lines, (0.1, 0.3, 0.2), strict=True):
            self.assertAlmostEqual(line[0], slope)
            self.assertAlmostEqual(line[1], 10)

    def test_slopes_are_compared_where_it_is_certain_which_is_steeper(self):
        apart = self.results(*[(0.1, 0.2)] * 4, (0.3, 0.4))
        self.assertIn("| 0.50 (0.50–0.75) |", "\n".join(growth.document(growth.GROWTH, apart)))
        for slopes in ([(0.1, 0.1)], [*[(0.1, 0.2)] * 4, (0.4, 0.3)]):
            text = "\n".join(growth.document(growth.GROWTH, self.results(*slopes)))
            self.assertIn("| no difference shown |", text)


class Rates(unittest.TestCase):
    def test_a_second_that_may_reach_over_the_moment_is_not_before_it(self):
        rates = [(1, 900), (2, 800), (3, 5), (4, 700), (5, 600)]
        lines = [f"progress: {end}.0 s, {rate}.0 tps, lat 1.0 ms stddev 0.1, 0 failed" for end, rate in rates]
        self.assertEqual(pgbench.worst_seconds("\n".join(["pgbench (15)", *lines]), 3.2), (800, 600))
        self.assertEqual(pgbench.worst_seconds("", 3.2), (0, 0))


class Notes(unittest.TestCase):
    def test_the_commit_is_named_and_whether_something_but_results_was_changed(self):
        with tempfile.TemporaryDirectory() as name, mock.patch("harness.results.ROOT", pathlib.Path(name)):
            self.assertEqual(commit(), [])
            results = pathlib.Path(name, "Benchmarks/results")
            results.mkdir(parents=True)
            for file in (pathlib.Path(name, "source"), results / "bench.md"):
                file.touch()
            identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
            for words in (["init"], ["add", "."], [*identity, "commit", "--message", "First"]):
                subprocess.run(["git", "-C", name, *words], check=True, capture_output=True)
            for file, expected in ((results / "bench.md", ""), (pathlib.Path(name, "source"), "-dirty")):
                file.write_text("changed")
                self.assertRegex(commit()[0], f"^commit [0-9a-f]{{7,}}{expected}$")
