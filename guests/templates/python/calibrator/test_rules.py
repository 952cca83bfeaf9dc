import unittest

import rules


class Fits(unittest.TestCase):
    def test_a_driver_who_wins_has_the_larger_mean(self):
        fitted = rules.posterior([0, 2], [1.0], 2, [1, 0], [1, 2], 1.0)
        self.assertEqual((fitted[1][0], fitted[0][0]), (0.5, -0.5))

    def test_a_checkpoint_survives_and_a_foreign_one_does_not(self):
        self.assertEqual(rules.load(rules.save(9, 4), 10), (9, 4))
        self.assertIsNone(rules.load(b"", 10))
        self.assertIsNone(rules.load(rules.save(11, 4), 10))


if __name__ == "__main__":
    unittest.main()
