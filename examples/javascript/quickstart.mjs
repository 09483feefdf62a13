// The quickstart's loop with the AWS SDK for JavaScript. Run it in the directory that has train.py and data/.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  CreateEndpointCommand,
  CreateEndpointConfigCommand,
  CreateModelCommand,
  CreateTrainingJobCommand,
  DeleteEndpointCommand,
  DeleteEndpointConfigCommand,
  DeleteModelCommand,
  DescribeTrainingJobCommand,
  SageMakerClient,
  paginateListEndpoints,
  waitUntilEndpointDeleted,
  waitUntilEndpointInService,
  waitUntilTrainingJobCompletedOrStopped,
} from "@aws-sdk/client-sagemaker";
import { InvokeEndpointCommand, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

const sagemaker = new SageMakerClient({});
const runtime = new SageMakerRuntimeClient({});
const s3 = new S3Client({});
const region = await sagemaker.config.region();
const { Account: account } = await new STSClient({}).send(new GetCallerIdentityCommand({}));
const role = process.env.SAGEMAKER_ROLE ?? `arn:aws:iam::${account}:role/SageMakerExecutionRole`;
const image = `683313688378.dkr.ecr.${region}.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3`;
const bucket = `sagemaker-${region}-${account}`;
const name = `javascript-quickstart-${Date.now()}`;
const source = `s3://${bucket}/${name}/source/sourcedir.tar.gz`;
const wait = { client: sagemaker, minDelay: 1, maxDelay: 5, maxWaitTime: 1200 };

await s3
  .send(new CreateBucketCommand({ Bucket: bucket }))
  .catch((error) => {
    if (error.name !== "BucketAlreadyOwnedByYou") throw error;
  });
const put = (key, body) => s3.send(new PutObjectCommand({ Bucket: bucket, Key: `${name}/${key}`, Body: body }));
await put("train/train.csv", readFileSync("data/train.csv"));
await put("source/sourcedir.tar.gz", execFileSync("tar", ["-czf", "-", "train.py"]));

await sagemaker.send(
  new CreateTrainingJobCommand({
    TrainingJobName: name,
    AlgorithmSpecification: { TrainingImage: image, TrainingInputMode: "File" },
    RoleArn: role,
    HyperParameters: { sagemaker_program: "train.py", sagemaker_submit_directory: source, max_depth: "5" },
    InputDataConfig: [
      {
        ChannelName: "train",
        DataSource: { S3DataSource: { S3DataType: "S3Prefix", S3Uri: `s3://${bucket}/${name}/train` } },
      },
    ],
    OutputDataConfig: { S3OutputPath: `s3://${bucket}/${name}` },
    ResourceConfig: { InstanceType: "ml.m4.xlarge", InstanceCount: 1, VolumeSizeInGB: 30 },
    StoppingCondition: { MaxRuntimeInSeconds: 3600 },
  }),
);
await waitUntilTrainingJobCompletedOrStopped(wait, { TrainingJobName: name });
const job = await sagemaker.send(new DescribeTrainingJobCommand({ TrainingJobName: name }));
console.log(`training job: ${job.TrainingJobStatus}`);

await sagemaker.send(
  new CreateModelCommand({
    ModelName: name,
    ExecutionRoleArn: role,
    PrimaryContainer: {
      Image: image,
      ModelDataUrl: job.ModelArtifacts.S3ModelArtifacts,
      Environment: { SAGEMAKER_PROGRAM: "train.py", SAGEMAKER_SUBMIT_DIRECTORY: source },
    },
  }),
);
await sagemaker.send(
  new CreateEndpointConfigCommand({
    EndpointConfigName: name,
    ProductionVariants: [
      { VariantName: "AllTraffic", ModelName: name, InitialInstanceCount: 1, InstanceType: "ml.m4.xlarge" },
    ],
  }),
);
await sagemaker.send(new CreateEndpointCommand({ EndpointName: name, EndpointConfigName: name }));

let score;
try {
  await waitUntilEndpointInService(wait, { EndpointName: name });
  for await (const page of paginateListEndpoints({ client: sagemaker }, { NameContains: name })) {
    for (const endpoint of page.Endpoints) console.log(`${endpoint.EndpointName}: ${endpoint.EndpointStatus}`);
  }
  const rows = readFileSync("data/test.csv", "utf8").trim().split("\n").slice(1).map((line) => line.split(","));
  const answer = await runtime.send(
    new InvokeEndpointCommand({
      EndpointName: name,
      ContentType: "text/csv",
      Accept: "application/json",
      Body: rows.map((row) => row.slice(1).join(",")).join("\n"),
    }),
  );
  const predictions = JSON.parse(Buffer.from(answer.Body).toString());
  score = rows.filter((row, index) => predictions[index] === Number(row[0])).length / rows.length;
} finally {
  await sagemaker.send(new DeleteEndpointCommand({ EndpointName: name }));
  await waitUntilEndpointDeleted(wait, { EndpointName: name });
  await sagemaker.send(new DeleteEndpointConfigCommand({ EndpointConfigName: name }));
  await sagemaker.send(new DeleteModelCommand({ ModelName: name }));
}
console.log(`score: ${score.toFixed(4)}`);
