"""Tables that come with scikit-learn: 60 % train, 20 % validation, 20 % test, stratified for classes."""

from functools import partial
from importlib import import_module

from bench.datasets.base import Dataset, Parts, Samples, cached
from bench.datasets.prepare import by_feature, halves, with_validation


def split(loader: str, dataset: Dataset) -> Parts:
    """The parts of what scikit-learn's function of this name gives."""
    import numpy as np

    x, y = getattr(import_module("sklearn.datasets"), loader)(return_X_y=True)
    x, y = np.asarray(x, np.float32), np.asarray(y, np.int32 if dataset.classes else np.float32)
    x_rest, x_test, y_rest, y_test = halves(x, y, dataset.samples.test, dataset.classes)
    return with_validation((x_rest, y_rest), (x_test, y_test), dataset)


def table(
    loader: str,
    name: str,
    summary: str,
    samples: Samples,
    features: int,
    classes: int,
    sha256: str,
    names: tuple[str, ...] = (),
) -> Dataset:
    """An entry whose arrays scikit-learn bundles."""
    return Dataset(
        name,
        summary,
        source=f"scikit-learn, {loader}",
        licence="CC BY 4.0 (UCI)" if classes else "not stated",
        samples=samples,
        shape=(features,),
        classes=classes,
        parts=partial(cached, partial(split, loader)),
        scales=by_feature,
        sha256=sha256,
        names=names,
    )


DATASETS = (
    table(
        "load_digits",
        "digits",
        "1797 handwritten digits, 8 x 8 pixels, ten classes (Alpaydin and Kaynak 1998)",
        Samples(1079, 359, 359),
        features=64,
        classes=10,
        sha256="689b48cb06d492a7473b02296be3697764faa3da1479204a86710cdb0481c9e3",
    ),
    table(
        "load_wine",
        "wine",
        "178 wines, 13 chemical measurements, three cultivars (Forina et al. 1991)",
        Samples(106, 36, 36),
        features=13,
        classes=3,
        sha256="f1921588fa47600579dae57d2fba577388509907da930ec295ad39761cfc7aad",
    ),
    table(
        "load_breast_cancer",
        "breast_cancer",
        "569 tumours, 30 measurements of cell nuclei, two classes (Street, Wolberg and Mangasarian 1993)",
        Samples(341, 114, 114),
        features=30,
        classes=2,
        sha256="90e2cf48355e1d2e6dac4632f6ce55ed314bc5a1426cd764e4611ede33dfa6ff",
        names=("malignant", "benign"),
    ),
    table(
        "load_diabetes",
        "diabetes",
        "442 patients, 10 measurements, disease progression after a year (Efron et al. 2004)",
        Samples(266, 88, 88),
        features=10,
        classes=0,
        sha256="a4432453d46f9d35966d9648cadc9d0beb437bc9731cd8c1e55d290492164c91",
    ),
)
