"""Scenes drawn by the package itself: a multi-label data set with exact masks that needs no download."""

from explanans.data.scenes.compose import CLASSES, Scene, SceneObject, draw_scene
from explanans.data.scenes.write import write_scenes

__all__ = ["CLASSES", "Scene", "SceneObject", "draw_scene", "write_scenes"]
