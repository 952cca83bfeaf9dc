import unittest

import rules


class Orders(unittest.TestCase):
    def test_the_largest_key_comes_first(self):
        self.assertEqual(rules.places([0.5, 2.0, -1.0]), [2, 1, 3])

    def test_a_scenario_depends_on_its_number_only(self):
        drawn = [rules.finish([0.0] * 8, 1.0, 7, number) for number in (3, 4, 3)]
        self.assertEqual(drawn[0], drawn[2])
        self.assertNotEqual(drawn[0], drawn[1])


if __name__ == "__main__":
    unittest.main()
