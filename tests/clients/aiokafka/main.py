"""The aiokafka part of the client matrix: the shared scenarios plus its own."""

import logging
import os

import own_cases
import scenarios
from aiokafka_driver import AiokafkaDriver
from runner import run_cases

if __name__ == "__main__":
    # It warns of every rebalance; failures reach the cases as exceptions.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    driver = AiokafkaDriver(os.environ["BOOTSTRAP"])
    run_cases(driver.name, own_cases.cases(driver) + scenarios.cases(driver))
