// A Lambda handler for aws-lambda-ric, unmodified: it tells what it was told, or fails as asked.

const { spawn } = require("node:child_process");

// Does what `event` says in `do`; without it, tells what came.
exports.handler = async (event, context) => {
  console.log("asked to", event.do);
  if (event.do === "raise") {
    throw new RangeError("no such pump");
  }
  if (event.do === "hang") {
    spawn("sleep", ["1000"], { detached: true });
    await new Promise((resolve) => setTimeout(resolve, 1000 * 1000));
  }
  if (event.do === "crash") {
    process.abort();
  }
  if (event.do === "print") {
    for (let number = 0; number < event.lines; number += 1) {
      console.log("line", number);
    }
  }
  return {
    event,
    function_arn: context.invokedFunctionArn,
    request_id: context.awsRequestId,
    remaining_ms: context.getRemainingTimeInMillis(),
    memory_mb: context.memoryLimitInMB,
    pid: process.pid,
  };
};
