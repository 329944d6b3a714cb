// A Lambda handler for aws-lambda-ric, unmodified: it tells what it was told, or fails as asked.

'use strict';

exports.handler = async (event, context) => {
  console.log('asked to', event.do);
  if (event.do === 'raise') throw new TypeError('no such pump');
  if (event.do === 'crash') process.abort();
  if (event.do === 'hang') await new Promise((done) => setTimeout(done, 1_000_000));
  return {
    event,
    function_arn: context.invokedFunctionArn,
    request_id: context.awsRequestId,
    remaining_ms: context.getRemainingTimeInMillis(),
    memory_mb: context.memoryLimitInMB,
    pid: process.pid,
  };
};
