"""Label noise: each kind has settings and a pure function (true labels, images, settings) -> given labels. Definitions
differ between papers; these follow the code behind the published tables and name it. Everything above in codim may
import it, and so may the study and the analysis.
"""

from codim.lazy import lazily

__getattr__ = lazily(
    __name__, NoiseKind="base", NOISE_KINDS="kinds", register_noise_kind="kinds", transition_matrix="transition"
)
