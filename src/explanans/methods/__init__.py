"""Attribution methods to compare with: ``method(x, targets, generator) → maps``, one signature for all.

A new method is a file here and its line below; :func:`~explanans.methods.base.listed` above its class says what it is
called and what it needs. None imports an extra before it is made. A trained Explainer is one of the methods as soon as
:mod:`explanans.explainers` is imported.
"""

from explanans.methods.attention_rollout import AttentionRollout as AttentionRollout
from explanans.methods.base import METHODS as METHODS
from explanans.methods.base import Entry as Entry
from explanans.methods.base import Method as Method
from explanans.methods.base import make_method as make_method
from explanans.methods.cam_variants import GradCAMPlusPlus as GradCAMPlusPlus
from explanans.methods.cam_variants import LayerCAM as LayerCAM
from explanans.methods.constant import Constant as Constant
from explanans.methods.constant import WholeIfSeen as WholeIfSeen
from explanans.methods.deeplift import DeepLIFT as DeepLIFT
from explanans.methods.extremal_perturbation import ExtremalPerturbation as ExtremalPerturbation
from explanans.methods.grad_cam import GradCAM as GradCAM
from explanans.methods.guided_backprop import GuidedBackprop as GuidedBackprop
from explanans.methods.igos_pp import IGOSpp as IGOSpp
from explanans.methods.lime_and_kernel_shap import LIME as LIME
from explanans.methods.lime_and_kernel_shap import KernelSHAP as KernelSHAP
from explanans.methods.occlusion import Occlusion as Occlusion
from explanans.methods.path_gradients import GradientSHAP as GradientSHAP
from explanans.methods.path_gradients import IntegratedGradients as IntegratedGradients
from explanans.methods.path_gradients import SmoothGrad as SmoothGrad
from explanans.methods.rise import RISE as RISE
from explanans.methods.score_cam import ScoreCAM as ScoreCAM
from explanans.methods.spread_cam import SpreadCAM as SpreadCAM
