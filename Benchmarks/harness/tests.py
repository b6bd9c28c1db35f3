"""Tests of what turns figures into verdicts, slopes and tables. Nothing is measured here; `make test` runs them."""

import contextlib
import io
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

from harness import comparison, machine, pgbench
from harness.command import check
from harness.comparison import chosen
from harness.contenders import NullRelay, Pgleash
from harness.figures import Figure
from harness.goals import Goal, Judgement, summary
from harness.growth import GROWTHS, fit
from harness.growth import document as growth_document
from harness.memory import worst_seconds
from harness.results import Results, Spread
from harness.table import cell, document
from harness.tls import TLS

GOAL = Goal("CPU", "cpu", ("connect",), "at most", 1.05, NullRelay.name)
SMALL = comparison.Comparison("small", "make small", "Small", [Pgleash(), NullRelay()], TLS.workloads, [])


def verdict(*ratios, goal=GOAL):
    judgement = Judgement(goal, "connect", Spread.of(ratios))
    return judgement.verdict + judgement.doubt


def results_of(workload, *pairs):
    """Rounds with the CPU time of pgleash and of the null relay."""
    results = Results("note")
    for number, pair in enumerate(pairs, 1):
        for name, value in zip((Pgleash.name, NullRelay.name), pair):
            results.add(number, workload, name, {"cpu": value})
    return results


class Verdicts(unittest.TestCase):
    def test_the_interval_of_the_median_leaves_out_what_it_can(self):
        for count, place in [(5, 1), (7, 1), (8, 2), (10, 2), (11, 3), (15, 4)]:
            self.assertEqual(Spread.of(range(1, count + 1)).interval, (place, count + 1 - place), count)

    def test_fewer_than_five_rounds_have_no_such_interval(self):
        for count in range(1, 5):
            self.assertIsNone(Spread.of(range(count)).interval)
        self.assertEqual(verdict(0.5, 0.5, 0.5, 0.5), "held (not certain)")

    def test_a_verdict_is_the_medians(self):
        self.assertEqual(verdict(0.9, 1.0, 1.0, 1.0, 1.04), "held")
        self.assertEqual(verdict(1.06, 1.1, 1.1, 1.1, 1.2), "not held")

    def test_a_verdict_is_not_certain_where_the_interval_reaches_over_the_goal(self):
        self.assertEqual(verdict(0.9, 1.0, 1.0, 1.0, 1.06), "held (not certain)")
        self.assertEqual(verdict(1.04, 1.1, 1.1, 1.1, 1.2), "not held (not certain)")

    def test_with_eight_rounds_one_on_the_other_side_does_not_count(self):
        self.assertEqual(verdict(*[1.0] * 7, 9.0), "held")
        self.assertEqual(verdict(*[1.0] * 6, 9.0, 9.0), "held (not certain)")

    def test_goals_are_counted(self):
        spreads = [[1.0] * 5, [1.0] * 4 + [2.0], [2.0] * 5, [1.0] + [2.0] * 4, []]
        judgements = [Judgement(GOAL, "connect", Spread.of(values)) for values in spreads]
        expected = "2 of 5 goals are held, 1 of these not certain; 2 are not held, 1 of these not certain; "
        self.assertEqual(summary(judgements), expected + "1 were not measured")
        self.assertEqual(summary(judgements[:1]), "1 of 1 goals are held")

    def test_check_fails_for_what_is_not_held_alone(self):
        small = comparison.Comparison("small", "make small", "Small", [], TLS.workloads, [GOAL])
        small.goals[0] = Goal("CPU", "cpu", ("both-connect",), "at most", 1.05, NullRelay.name)
        with contextlib.redirect_stdout(io.StringIO()) as output:
            check(small, results_of("both-connect", (1, 1), (1, 1), (2, 1)))
            self.assertIn("held (not certain)", output.getvalue())
            with self.assertRaises(SystemExit) as end:
                check(small, results_of("both-connect", (1, 1), (2, 1), (2, 1)))
        self.assertIn("0 of 1 goals are held; 1 are not held, 1 of these not certain", str(end.exception))

    def test_a_figure_that_was_measured_once_has_no_doubt(self):
        self.assertEqual(Figure("", "", (1.0,), at_most=1.1).verdict, "held")
        self.assertEqual(Figure("", "", (1.0,) * 5, at_most=1.1).verdict, "held")
        self.assertEqual(Figure("", "", (1.0,) * 4 + (1.2,), at_most=1.1).verdict, "held (not certain)")
        self.assertEqual(Figure("", "", (1.0,) + (1.2,) * 4, at_most=1.1).verdict, "**not held** (not certain)")


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
    def test_a_single_round_has_no_range(self):
        self.assertEqual(cell(Spread.of([2])), "2.00")
        self.assertEqual(cell(Spread.of([1, 2, 4])), "2.00 (1.00–4.00)")

    def test_the_head_counts_rounds_and_names_the_target(self):
        once, twice = ("\n".join(document(SMALL, results_of("both-connect", *[(1, 1)] * n))) for n in (1, 2))
        self.assertIn("What a single round gave. `make small` writes this", once)
        self.assertIn("Medians of 2 rounds", twice)
        results = results_of("both-connect", (1, 1))
        results.values |= results_of("both-copy-in", *[(1, 1)] * 3).values
        self.assertIn("Medians of 1 to 3 rounds", "\n".join(document(SMALL, results)))

    def test_ratios_end_with_how_far_they_reach(self):
        results = results_of("both-connect", (1, 2), (2, 2), (3, 2))
        results.values |= results_of("both-simple-8", (3, 2), (3, 2), (3, 2)).values
        results.values |= results_of("both-copy-in", (9, 2), (9, 2), (9, 2)).values
        row = "| least and most of the transactions' medians | 1.00–1.50 |"
        self.assertIn(row, "\n".join(document(SMALL, results)))


class Choice(unittest.TestCase):
    def names(self, *patterns):
        return [workload.name for workload in chosen(TLS.workloads, patterns, lambda workload: workload.names)]

    def test_a_pattern_may_leave_out_what_says_where_there_is_tls(self):
        self.assertEqual(self.names("connect"), ["server-connect", "both-connect"])
        self.assertEqual(self.names("simple-8", "both-idle"), ["server-simple-8", "both-simple-8", "both-idle"])
        self.assertEqual(self.names("server-copy-*"), ["server-copy-out", "server-copy-in"])

    def test_a_pattern_that_fits_nothing_is_an_error_with_the_names(self):
        with self.assertRaises(SystemExit) as end:
            self.names("simple-7")
        self.assertIn("simple-7 is none of: server-simple-8,", str(end.exception))


class Slopes(unittest.TestCase):
    growth = GROWTHS[0]

    def results(self, *slopes):
        """Rounds in which a transaction costs 10 µs and so much more for each session, for both contenders."""
        results = Results("note")
        for level in self.growth.levels:
            rounds = [[10 + slope * level for slope in pair] for pair in slopes]
            results.values |= results_of(self.growth.workload(level).name, *rounds).values
        return results

    def test_a_line_is_found(self):
        slope, constant = fit([(level, 10 + 0.5 * level) for level in (1, 8, 256)])
        self.assertAlmostEqual(slope, 0.5)
        self.assertAlmostEqual(constant, 10)

    def test_each_round_has_a_line(self):
        slope, constant = self.growth.line(self.results((0.1, 1), (0.3, 1), (0.2, 1)), Pgleash.name)
        for value, expected in zip((*slope.values, constant.median), (0.1, 0.2, 0.3, 10)):
            self.assertAlmostEqual(value, expected)

    def test_slopes_are_compared_where_it_is_certain_which_is_steeper(self):
        self.assertIsNone(self.growth.difference(self.results(*[(0.1, 0.2)] * 4, (0.4, 0.3))))
        apart = self.results(*[(0.1, 0.2)] * 4, (0.3, 0.4))
        self.assertAlmostEqual(self.growth.difference(apart).most, 0.75)
        self.assertIn("| 0.50 (0.50–0.75) |", "\n".join(growth_document(apart)))
        self.assertIn("| no difference shown |", "\n".join(growth_document(self.results((0.1, 0.1)))))


class Rates(unittest.TestCase):
    def test_a_second_that_may_reach_over_the_moment_is_not_before_it(self):
        rates = [(1, 900), (2, 800), (3, 5), (4, 700), (5, 600)]
        lines = [f"progress: {end}.0 s, {rate}.0 tps, lat 1.0 ms stddev 0.1, 0 failed" for end, rate in rates]
        self.assertEqual(worst_seconds(["pgbench (15)", *lines], 3.2), (800, 600))
        self.assertEqual(worst_seconds([], 3.2), (0, 0))


class Notes(unittest.TestCase):
    def test_the_commit_is_named_and_whether_something_but_results_was_changed(self):
        with tempfile.TemporaryDirectory() as name, mock.patch.object(machine, "ROOT", pathlib.Path(name)):
            self.assertEqual(machine.commit(), [])
            results = pathlib.Path(name, "Benchmarks/results")
            results.mkdir(parents=True)
            files = [results / "bench.md", pathlib.Path(name, "source")]
            for file in files:
                file.write_text("")
            identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
            for words in (["init"], ["add", "."], [*identity, "commit", "--message", "First"]):
                subprocess.run(["git", "-C", name, *words], check=True, capture_output=True)
            self.assertRegex(" ".join(machine.commit()), "^commit [0-9a-f]{7,}$")
            files[0].write_text("changed")
            self.assertRegex(" ".join(machine.commit()), "^commit [0-9a-f]{7,}$")
            files[1].write_text("changed")
            self.assertRegex(" ".join(machine.commit()), "^commit [0-9a-f]{7,}-dirty$")


if __name__ == "__main__":
    unittest.main()
