"""The studies on free embeddings: what each claims, its cells, its table, its cost."""

from synthetic.presets import designs, minima, published, selections, shapes, training
from synthetic.study import Study

CATALOGUE: dict[str, Study] = {
    **designs.STUDIES,
    **minima.STUDIES,
    **shapes.STUDIES,
    **training.STUDIES,
    **selections.STUDIES,
    **published.STUDIES,
}
