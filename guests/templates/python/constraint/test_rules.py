import unittest

import rules


class Verdicts(unittest.TestCase):
    def test_a_winner_from_behind_the_limit_is_vetoed(self):
        start = [2, 1, 3]
        self.assertEqual(rules.verdict([1, 2, 3], start, 2), 0)
        self.assertEqual(rules.verdict([2, 3, 1], start, 2), rules.TOO_FAR_BACK)

    def test_a_block_has_a_verdict_per_scenario(self):
        self.assertEqual(rules.verdicts([1, 2, 3, 2, 3, 1], [2, 1, 3], 2), bytes([0, 1]))


if __name__ == "__main__":
    unittest.main()
