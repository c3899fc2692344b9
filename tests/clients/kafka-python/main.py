"""The kafka-python part of the client matrix: the shared scenarios plus its own."""

import os

import own_cases
import scenarios
import transaction_cases
from kafka_python_driver import KafkaPythonDriver
from runner import run_cases

if __name__ == "__main__":
    driver = KafkaPythonDriver(os.environ["BOOTSTRAP"])
    own = own_cases.cases(driver) + transaction_cases.cases(driver)
    run_cases(driver.name, own + scenarios.cases(driver))
