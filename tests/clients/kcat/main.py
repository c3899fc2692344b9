"""The kcat part of the client matrix: kcat as a subprocess, its output parsed byte for byte."""

import group_cases
import record_cases
import transaction_cases
from runner import run_cases

if __name__ == "__main__":
    run_cases("kcat", group_cases.CASES + transaction_cases.CASES + record_cases.CASES)
