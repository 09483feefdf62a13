#!/usr/bin/env bash
# The quickstart's loop with the AWS CLI.
set -euo pipefail

region=$(aws configure get region || true)
region=${AWS_REGION:-${region:-us-east-1}}
account=$(aws sts get-caller-identity --query Account --output text)
role=${SAGEMAKER_ROLE:-arn:aws:iam::$account:role/SageMakerExecutionRole}
image=683313688378.dkr.ecr.$region.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3
bucket=sagemaker-$region-$account
name=cli-quickstart-$(date +%s)
work=$(mktemp -d)

clean_up() {
  rm -r "$work"
  for kind in endpoint endpoint-config model; do
    aws sagemaker "delete-$kind" "--$kind-name" "$name" 2>/dev/null || true
  done
}
trap clean_up EXIT

aws s3api head-bucket --bucket "$bucket" 2>/dev/null >&2 || aws s3 mb "s3://$bucket" --region "$region"
aws s3 cp data/train.csv "s3://$bucket/$name/train/train.csv" --only-show-errors
tar -czf "$work/sourcedir.tar.gz" train.py
source=s3://$bucket/$name/source/sourcedir.tar.gz
aws s3 cp "$work/sourcedir.tar.gz" "$source" --only-show-errors

aws sagemaker create-training-job \
  --training-job-name "$name" \
  --algorithm-specification "TrainingImage=$image,TrainingInputMode=File" \
  --role-arn "$role" \
  --hyper-parameters "{\"sagemaker_program\": \"train.py\", \"sagemaker_submit_directory\": \"$source\", \"max_depth\": \"5\"}" \
  --input-data-config "[{\"ChannelName\": \"train\", \"DataSource\": {\"S3DataSource\":
      {\"S3DataType\": \"S3Prefix\", \"S3Uri\": \"s3://$bucket/$name/train\"}}}]" \
  --output-data-config "S3OutputPath=s3://$bucket/$name" \
  --resource-config InstanceType=ml.m4.xlarge,InstanceCount=1,VolumeSizeInGB=30 \
  --stopping-condition MaxRuntimeInSeconds=3600

# Not `aws sagemaker wait`, which looks once in two minutes, and for endpoints in half a minute.
status=InProgress
while [ "$status" = InProgress ]; do
  sleep 2
  status=$(aws sagemaker describe-training-job --training-job-name "$name" --query TrainingJobStatus --output text)
done
echo "training job: $status"
[ "$status" = Completed ]
artifacts=$(aws sagemaker describe-training-job --training-job-name "$name" \
  --query ModelArtifacts.S3ModelArtifacts --output text)

aws sagemaker create-model --model-name "$name" --execution-role-arn "$role" --primary-container \
  "{\"Image\": \"$image\", \"ModelDataUrl\": \"$artifacts\",
    \"Environment\": {\"SAGEMAKER_PROGRAM\": \"train.py\", \"SAGEMAKER_SUBMIT_DIRECTORY\": \"$source\"}}"
aws sagemaker create-endpoint-config --endpoint-config-name "$name" --production-variants \
  "VariantName=AllTraffic,ModelName=$name,InitialInstanceCount=1,InstanceType=ml.m4.xlarge"
aws sagemaker create-endpoint --endpoint-name "$name" --endpoint-config-name "$name"
status=Creating
while [ "$status" = Creating ]; do
  sleep 1
  status=$(aws sagemaker describe-endpoint --endpoint-name "$name" --query EndpointStatus --output text)
done
aws sagemaker list-endpoints --name-contains "$name" --query 'Endpoints[].[EndpointName,EndpointStatus]' --output text

tail -n +2 data/test.csv | cut -d, -f2- >"$work/rows.csv"
tail -n +2 data/test.csv | cut -d, -f1 >"$work/labels.csv"
aws sagemaker-runtime invoke-endpoint --endpoint-name "$name" --content-type text/csv --accept text/csv \
  --body "fileb://$work/rows.csv" "$work/predictions.csv"
paste -d, "$work/labels.csv" "$work/predictions.csv" |
  awk -F, '$1 == $2 { right += 1 } END { printf "score: %.4f\n", right / NR }'
