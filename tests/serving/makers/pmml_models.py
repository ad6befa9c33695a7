"""Create PMML documents of scikit-learn's pipelines with their answers: `python pmml_models.py <directory>`."""

# mypy: disable-error-code="import-not-found,import-untyped"
# The toolchain has it, the workspace does not.

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from cases import place, write
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn2pmml import sklearn2pmml
from sklearn2pmml.pipeline import PMMLPipeline

FEATURES, SPECIES = load_iris(return_X_y=True)
NAMES = load_iris().target_names[SPECIES]


TREE = """<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/>
<DataDictionary><DataField name="a" optype="continuous" dataType="float"/>
<DataField name="y" optype="categorical" dataType="string"><Value value="n"/><Value value="p"/></DataField>
</DataDictionary>
<TreeModel functionName="classification" noTrueChildStrategy="returnLastPrediction">
<MiningSchema><MiningField name="a"/>
<MiningField name="y" usageType="target"/>
</MiningSchema>{output}<Node score="n"><True/><Node score="p">
<SimplePredicate field="a" operator="greaterThan" value="1"/></Node></Node></TreeModel></PMML>"""
SHOWN = (
    '<Output><OutputField name="predicted_y" feature="predictedValue" dataType="string" optype="categorical"/></Output>'
)


def written_models(root: Path) -> None:
    """A document without outputs, and one whose output shows the target."""
    given = {"a": ("FP32", np.array([0.5, 2.0, 3.0, -1.0], np.float32))}
    for kind, output, name in (("bare", "", "y"), ("shown", SHOWN, "predicted_y")):
        directory = place(root, f"pmml-{kind}")
        (directory / "model" / "model.pmml").write_text(TREE.format(output=output))
        write(directory, "PMML", given, {name: np.array(["n", "p", "p", "n"])})


def main(root: Path) -> None:
    """Create a classifier and a regression."""
    table = pd.DataFrame(FEATURES, columns=["sepal length", "sepal width", "petal length", "petal width"])
    some = table.iloc[::10]
    given = {name: ("FP64", some[name].to_numpy()) for name in table}
    classifier = PMMLPipeline([("scale", StandardScaler()), ("predict", LogisticRegression())])
    classifier.fit(table, pd.Series(NAMES, name="species"))
    directory = place(root, "pmml-classifier")
    sklearn2pmml(classifier, str(directory / "model" / "model.pmml"))
    shares = classifier.predict_proba(some)
    answers = {f"probability({label})": shares[:, column] for column, label in enumerate(classifier.classes_)}
    write(directory, "PMML", given, {"species": classifier.predict(some), **answers})
    line = PMMLPipeline([("predict", LinearRegression())]).fit(table, pd.Series(SPECIES * 1.5, name="size"))
    directory = place(root, "pmml-regression")
    sklearn2pmml(line, str(directory / "model" / "model.pmml"))
    write(directory, "PMML", given, {"size": line.predict(some)})


if __name__ == "__main__":
    written_models(Path(sys.argv[1]))
    main(Path(sys.argv[1]))
