"""The function that Weir replaces, and a loop around it that times it on request.

Arguments: the threshold, and a file with an event. Each line of standard input asks for a turn:

    handler   the function alone, on the event as Python objects
    invoke    with what surrounds it in Lambda: JSON in, JSON out
    answer    no turn, but what the function answers

Each is answered with a line: the nanoseconds of the processor's time that a record took, or the
answer. The first line says which Python this is.
"""

import base64
import json
import platform
import sys
import time

TURN_NS = 2_000_000


def handler(event, threshold, publish):
    answers = []
    for record in event["records"]:
        try:
            payload = base64.b64decode(record["data"])
            if float(json.loads(payload)["ANOMALY_SCORE"]) >= threshold:
                publish(payload)
            result = "Ok"
        except Exception:
            result = "DeliveryFailed"
        answers.append({"recordId": record["recordId"], "result": result})
    return {"records": answers}


def nanoseconds_a_record(work, records):
    times = 0
    started = time.process_time_ns()
    while (elapsed := time.process_time_ns() - started) < TURN_NS:
        work()
        times += 1
    return elapsed / times / records


def main():
    threshold = float(sys.argv[1])
    with open(sys.argv[2], "rb") as file:
        body = file.read()
    event = json.loads(body)

    def publish(payload):
        pass

    def invoke():
        return json.dumps(handler(json.loads(body), threshold, publish))

    turns = {"handler": lambda: handler(event, threshold, publish), "invoke": invoke}
    print(f"{platform.python_implementation()} {platform.python_version()}", flush=True)
    for line in sys.stdin:
        request = line.strip()
        if request == "answer":
            print(invoke(), flush=True)
        else:
            print(nanoseconds_a_record(turns[request], len(event["records"])), flush=True)


main()
