"""The matrix of methods on docs/which-method.md, from the code: ``python website/method_matrix.py`` writes it.

What a method needs stands in its entry; what it costs is said here, in words.
"""

from __future__ import annotations

import sys
from pathlib import Path

from check_pages import DOCS, ROOT

PAGE = DOCS / "which-method.md"
BEGIN, END = "<!-- matrix: python website/method_matrix.py -->", "<!-- end of matrix -->"
# Pictures that the classifier answers for one class of one picture, at the settings by default.
COSTS = {
    "attention_relevance": "1, and 1 backward",
    "attention_rollout": "1",
    "deeplift": "2, and 2 backward",
    "explainer": "1 pass for all classes, 1 to finish masks",
    "extremal_perturbation": "about 3,200, and as many backward",
    "grad_cam": "1, and a part of 1 backward",
    "grad_cam_pp": "1, and a part of 1 backward",
    "gradient_shap": "50, and 50 backward",
    "guided_backprop": "1, and 1 backward",
    "igos_pp": "1,200 or more, and 1,200 backward",
    "integrated_gradients": "50, and 50 backward",
    "kernel_shap": "1,000 for all classes",
    "layer_cam": "1, and a part of 1 backward",
    "lime": "1,000 for all classes",
    "occlusion": "about 360 for all classes",
    "rise": "8,000 for all classes",
    "rtis": "1 pass for all classes",
    "score_cam": "one for each channel of the layer, for all classes",
    "smoothgrad": "50, and 50 backward",
    "spread_cam": "2.25, and a part of 2.25 backward",
}
TRAINED = ("explainer", "rtis")
NEEDS = ("gradients", "layers", "attention")


def matrix() -> str:
    """The table: what each method asks of the classifier, those that ask least first."""
    sys.path.insert(0, str(ROOT / "src"))
    import explanans.explainers  # noqa: F401  (an Explainer enters itself into the list)
    from explanans.methods import METHODS

    # A program may have entered methods of its own.
    own = {name: entry for name, entry in METHODS.items() if entry.build.__module__.startswith("explanans.")}
    shown = {name: entry for name, entry in own.items() if not name.startswith("constant")}
    missing = sorted(set(shown) - set(COSTS))
    if missing:
        raise SystemExit(f"website/method_matrix.py: COSTS lacks {missing}; say what they ask.")
    rows = [
        "| method | in code | black box | gradients | layers | attention | training | extra | pictures, one class |",
        "|---|---|:-:|:-:|:-:|:-:|:-:|---|---|",
    ]
    for name, entry in sorted(shown.items(), key=lambda item: (len(item[1].needs), item[0] in TRAINED, item[0])):
        needs = " | ".join("●" if need in entry.needs else "" for need in NEEDS)
        trained = "●" if name in TRAINED else ""
        extra = f"`{entry.extra}`" if entry.extra else ""
        box = "●" if entry.black_box and not trained else ""
        rows.append(f"| {entry.title} | `{name}` | {box} | {needs} | {trained} | {extra} | {COSTS[name]} |")
    return "\n".join(rows)


def written(text: str) -> str:
    """The page with the matrix as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{matrix()}\n\n{END}{after}"


def problems() -> list[str]:
    """Whether the page shows another matrix than the code's."""
    text = PAGE.read_text(encoding="utf-8")
    if text == written(text):
        return []
    return [f"{Path(PAGE).relative_to(ROOT)}: the matrix is not the code's; run python website/method_matrix.py"]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
