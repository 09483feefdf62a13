"""A Spark application: reads S3 and a folder, writes both."""

import sys

import word_tools
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf

rows, counted = sys.argv[1:]
spark = SparkSession.builder.appName("words").getOrCreate()
words = spark.read.text(rows).selectExpr("explode(split(value, ' ')) AS word")
loud = words.select(udf(word_tools.loud)("word").alias("word")).groupBy("word").count().orderBy("word")
loud.coalesce(1).write.csv(counted)
loud.coalesce(1).write.json("file:///opt/ml/processing/output/words")
print("SETTING", spark.conf.get("spark.sql.shuffle.partitions"), spark.version)
spark.stop()
