"""The kafka-python part of the client matrix: the shared scenarios plus its own."""

import os

import own_cases
import scenarios
from kafka_python_driver import KafkaPythonDriver
from runner import run_cases

if __name__ == "__main__":
    driver = KafkaPythonDriver(os.environ["BOOTSTRAP"])
    run_cases(driver.name, own_cases.cases(driver) + scenarios.cases(driver))
