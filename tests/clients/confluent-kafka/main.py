"""The confluent-kafka part of the client matrix: the shared scenarios plus its own."""

import os

import own_cases
import scenarios
from confluent_driver import ConfluentDriver
from runner import run_cases

if __name__ == "__main__":
    driver = ConfluentDriver(os.environ["BOOTSTRAP"])
    run_cases(driver.name, own_cases.cases(driver) + scenarios.cases(driver))
