"""LDA as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable

ALGORITHM = Algorithm(
    name="lda",
    title="LDA",
    repositories=("lda",),
    summary=(
        "Latent Dirichlet Allocation: finds topics (distributions of words) of which documents, given as counts of "
        "words, are mixtures. As AWS's it decomposes the moments of the words of documents by alternating least "
        "squares; the topics found are then refined by variational Bayes, which raises the likelihood."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter(
                "num_topics", "integer", "The number of topics.", required=True, low=1, tunable=Tunable(1, 150)
            ),
            Hyperparameter("feature_dim", "integer", "The size of the vocabulary.", required=True, low=1),
            Hyperparameter(
                "mini_batch_size", "integer", "The number of documents in the corpus.", required=True, low=1
            ),
            Hyperparameter(
                "alpha0",
                "real",
                "Initial guess of the sum of the topics' concentration parameters: small ones make documents of few "
                "topics, large ones of many.",
                default=1.0,
                low=0,
                above=True,
                tunable=Tunable(0.1, 10),
            ),
            Hyperparameter(
                "max_restarts",
                "integer",
                "How often the decomposition is begun; the best one counts.",
                default=10,
                low=1,
            ),
            Hyperparameter(
                "max_iterations", "integer", "The most iterations of each decomposition.", default=1000, low=1
            ),
            Hyperparameter(
                "tol",
                "real",
                "A decomposition ends when its directions move by less than this.",
                default=1e-8,
                low=0,
                above=True,
            ),
        ),
    ),
    channels=(
        Channel(
            "train",
            "Counts of words, a document a row.",
            (RECORDIO, CSV),
            required=True,
            distribution="FullyReplicated",
        ),
        Channel("test", "Documents to measure with.", (RECORDIO, CSV), distribution="FullyReplicated"),
    ),
    metrics=(
        Metric(
            "test:pwll",
            r"#quality_metric: host=\S+, test pwll <score>=(\S+)",
            "Log-likelihood of the test documents, per word (a lower bound, by variational Bayes).",
            "Maximize",
        ),
        Metric(
            "train:pwll",
            r"#quality_metric: host=\S+, train pwll <score>=(\S+)",
            "The same of the training documents.",
            "Maximize",
        ),
    ),
    train="sagesmith.algorithms.lda.train:train",
    load="sagesmith.algorithms.lda.model:load",
    content_types=(RECORDIO, CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    hardware="CPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/lda.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/lda-how-it-works.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/lda_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/lda-tuning.html",
        "Anandkumar et al., Tensor decompositions for learning latent variable models, JMLR 15, 2014",
        "Blei, Ng and Jordan, Latent Dirichlet Allocation, JMLR 3, 2003",
    ),
    differences=(
        "The topics of the decomposition are refined by variational Bayes, and beginnings at random compete with them.",
        "The corpus is read into memory as a sparse matrix, whatever `mini_batch_size` says.",
        "`train:pwll` is logged too; answers can be application/jsonlines and text/csv too.",
    ),
    artifact=(
        "`model_algo-1`, as AWS's: an MXNet file with two arrays, the concentration parameters of shape (num_topics,) "
        "and the topics of shape (num_topics, feature_dim)"
    ),
    examples=(
        Example(
            "Find topics with SDK v2",
            """\
import numpy as np
from sagemaker import LDA, get_execution_role

random = np.random.default_rng(0)
topics = random.dirichlet(np.full(50, 0.1), size=4)
documents = np.array([random.multinomial(100, random.dirichlet(np.full(4, 0.2)) @ topics) for _ in range(500)])
documents = documents.astype("float32")
lda = LDA(role=get_execution_role(), instance_type="ml.c5.xlarge", num_topics=4)
train = lda.record_set(documents[:400])
test = lda.record_set(documents[400:], channel="test")
lda.fit([train, test], mini_batch_size=400)
predictor = lda.deploy(initial_instance_count=1, instance_type="ml.m5.large")
for record in predictor.predict(documents[:2]):
    print(record.label["topic_mixture"].float32_tensor.values)
predictor.delete_model()
predictor.delete_endpoint()
""",
        ),
    ),
)
