"""The confluent-kafka part of the client matrix: the shared scenarios plus its own."""

import os

import next_group_cases
import own_cases
import scenarios
from confluent_driver import ConfluentDriver
from runner import run_cases

if __name__ == "__main__":
    driver = ConfluentDriver(os.environ["BOOTSTRAP"])
    cases = next_group_cases.cases(driver) + own_cases.cases(driver) + scenarios.cases(driver)
    run_cases(driver.name, cases)
