"""The web application: a page, and four addresses behind it.

``GET /`` the page; ``GET /api/about`` who explains; ``POST /api/explain`` a picture → probabilities, masks, receipts;
``POST /api/receipt`` a picture, a class, a cut → the receipt; ``GET /healthz``. The body is the picture's file itself,
or empty where ``?handle=…`` names one that is still kept. Nothing is written to the disk, nothing of a picture is
logged, and no path, name or address of a request is ever opened.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from explanans.deploy.serve import json_answers
from explanans.deploy.serve.kept_pictures import KeptPicture, KeptPictures
from explanans.deploy.serve.model_thread import Ask, AskReceipt, ModelThread
from explanans.deploy.serve.page_files import Sample, described, page_files
from explanans.deploy.serve.repeat_lines import Repeat
from explanans.deploy.serve.safe_headers import SafeHeaders
from explanans.deploy.serve.serving_limits import Limits, Refusal
from explanans.deploy.serve.uploads import Room, read_upload, receive
from explanans.errors import InputError
from explanans.explanations.batch import Masker, Settings
from explanans.ops.targets import class_index
from explanans.utils.text import did_you_mean, printable, shortened

# Pictures that are decoded at once; each may take some hundred megabytes while it is.
DECODERS = 2
log = logging.getLogger(__name__)
Endpoint = Callable[[Request, bytes], Awaitable[dict[str, Any]]]


def make_app(
    masker: Masker,
    settings: Settings | None = None,
    *,
    limits: Limits | None = None,
    samples: Sequence[Sample] = (),
    repeat: Repeat | None = None,
    threads: int | None = None,
) -> Starlette:
    """An ASGI application that explains pictures.

    Args:
        masker: a trained Explainer, or :func:`explanans.explanations.explain.masker_of` a classifier; in evaluation
            mode, on its device.
        settings: which classes are explained where a request names none, and how.
        limits: what is taken from outside.
        samples: photos that the page offers.
        repeat: the lines that give the same, which the page shows.
        threads: of a processor for the networks; None for no more than cores are free.
    """
    settings, limits = settings or Settings(), limits or Limits()
    return Service(masker, settings, limits, samples, repeat, threads).app


class Service:
    """The state of one application; arguments as for :func:`make_app`."""

    def __init__(
        self,
        masker: Masker,
        settings: Settings,
        limits: Limits,
        samples: Sequence[Sample],
        repeat: Repeat | None,
        threads: int | None,
    ) -> None:
        self.masker, self.settings, self.limits = masker, settings, limits
        self.classes = masker.explanandum.classes
        self.shown = [printable(name) for name in self.classes]
        self.model = ModelThread(masker, settings, limits.queue, threads)
        self.room, self.kept = Room(limits), KeptPictures(limits)
        self.files = page_files(samples)
        self.about = json_answers.about(masker, settings, limits, described(samples), repeat)
        self.app = Starlette(
            routes=[
                Route("/api/about", self._about),
                Route("/api/explain", self._answering(self._explain, "class", "handle", "preview"), methods=["POST"]),
                Route("/api/receipt", self._answering(self._receipt, "class", "handle", "cut"), methods=["POST"]),
                Route("/healthz", self._health),
                Route("/{path:path}", self._file),
            ],
            exception_handlers={HTTPException: _not_there},
            lifespan=self._running,
        )
        self.app.add_middleware(SafeHeaders)

    @contextlib.asynccontextmanager
    async def _running(self, app: Starlette) -> AsyncIterator[None]:
        self.decoders = ThreadPoolExecutor(
            DECODERS, "explanans-decoder", initializer=torch.set_num_threads, initargs=(1,)
        )
        self.model.start()
        try:
            yield
        finally:
            await asyncio.to_thread(self.model.stop)
            self.decoders.shutdown(cancel_futures=True)

    async def _about(self, request: Request) -> Response:
        return JSONResponse(self.about)

    async def _health(self, request: Request) -> Response:
        alive = self.model.is_alive
        return JSONResponse({"status": "ok" if alive else "the model has stopped"}, 200 if alive else 503)

    async def _file(self, request: Request) -> Response:
        path = request.path_params["path"]
        file = self.files.get(path)
        if file is None:
            raise HTTPException(405 if path in ("api/explain", "api/receipt") else 404)
        return Response(file.content, headers={"content-type": file.kind, "cache-control": "no-cache"})

    def _answering(self, endpoint: Endpoint, *known: str) -> Callable[[Request], Awaitable[Response]]:
        """An address that takes a picture: within the deadline, and only for as long as the asker is there."""

        async def answer(request: Request) -> Response:
            try:
                if unknown := [name for name in request.query_params if name not in known]:
                    raise Refusal(
                        400, f"There is no setting {shortened(unknown[0], 60)!r}.", f"There are {', '.join(known)}."
                    )
                async with asyncio.timeout(self.limits.deadline):
                    return JSONResponse(await self._while_there(request, endpoint))
            except Refusal as refusal:
                return _refused(refusal)
            except TimeoutError:
                late = f"There was no answer within {self.limits.deadline:g} seconds."
                return _refused(Refusal(504, late, "Try again later.", 10))
            except ClientDisconnect:
                return Response(status_code=499)
            except InputError as error:
                return _refused(Refusal(422, shortened(error), "Try another picture, or tell the operator."))
            # Nothing of a picture may be logged, and a message of a library may quote one.
            except Exception as error:
                log.error("a request failed: %s", type(error).__name__)
                return _refused(
                    Refusal(500, "Something went wrong here.", "Try another picture, or tell the operator.")
                )

        return answer

    async def _while_there(self, request: Request, endpoint: Endpoint) -> dict[str, Any]:
        content = await receive(request.stream(), request.headers.get("content-length"), self.room)
        work, left = asyncio.ensure_future(endpoint(request, content)), asyncio.ensure_future(_leaves(request))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        finally:
            # What waits for the model with it is cancelled too, and is then never computed.
            work.cancel()
            left.cancel()
            await asyncio.gather(work, left, return_exceptions=True)
            self.room.give_back(len(content))

    async def _explain(self, request: Request, content: bytes) -> dict[str, Any]:
        columns = [self._column(name) for name in request.query_params.getlist("class")] or None
        picture, handle, preview = await self._picture(request, content)
        chosen = await self._find(picture, columns)
        return json_answers.explained(picture, handle, chosen, self.classes, preview)

    async def _receipt(self, request: Request, content: bytes) -> dict[str, Any]:
        names = request.query_params.getlist("class")
        if len(names) != 1:
            raise Refusal(400, f"{len(names)} classes were named.", "Name one: ?class=NAME&cut=0.5")
        column, cut = self._column(names[0]), _cut(request.query_params.get("cut"), self.settings.mask_threshold)
        picture, handle, _ = await self._picture(request, content)
        await self._find(picture, [column])
        mask = picture.found[column].mask
        made = await asyncio.wrap_future(self.model.submit(AskReceipt(picture.inputs, mask, column, cut)))
        return {"handle": handle, "class": self.shown[column], "index": column, "receipt": made.to_dict()}

    async def _picture(self, request: Request, content: bytes) -> tuple[KeptPicture, str, str | None]:
        """The picture of a request, its handle, and its preview where that was asked for."""
        handle = request.query_params.get("handle")
        if not content and handle is not None:
            return self.kept[handle], handle, None
        if not content:
            raise Refusal(
                400, "There is no picture.", "Send its file as the body: curl --data-binary @photo.jpg …/api/explain"
            )
        preview = "preview" in request.query_params
        loop, preprocessing = asyncio.get_running_loop(), self.masker.explanandum.preprocessing
        read = await loop.run_in_executor(self.decoders, read_upload, content, preprocessing, self.limits, preview)
        picture = KeptPicture(read.width, read.height, read.inputs)
        return picture, self.kept.keep(picture), read.preview

    async def _find(self, picture: KeptPicture, columns: Sequence[int] | None) -> list[int]:
        """Have the model find what is not found yet; returns the classes asked for, most probable first."""
        missing = None if columns is None else [each for each in dict.fromkeys(columns) if each not in picture.found]
        chosen = list(dict.fromkeys(columns or ()))
        if missing is None or missing:
            answer = self.model.submit(Ask(picture.inputs, missing))
            picture.probabilities, found = await asyncio.wrap_future(answer)
            picture.found |= {each.index: each for each in found}
            chosen = [each.index for each in found] if columns is None else chosen
        probabilities = picture.probabilities or []
        return sorted(chosen, key=lambda column: -probabilities[column])

    def _column(self, name: str) -> int:
        try:
            return self.shown.index(name) if name in self.shown else class_index(name, self.classes)
        except InputError:
            near = did_you_mean(name[:200], self.shown)
            raise Refusal(
                400,
                f"{shortened(name, 60)!r} is not a class{near}.",
                "GET /api/about lists the classes.",
            ) from None


async def _leaves(request: Request) -> None:
    """Returns when the asker has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _cut(text: str | None, default: float) -> float:
    try:
        cut = default if text is None else float(text)
    except ValueError:
        cut = 0.0
    if not 0 < cut <= 1:
        raise Refusal(400, f"cut={shortened(text or '', 30)!r} is no cut.", "Give a number above 0 and up to 1.")
    return cut


def _refused(refusal: Refusal) -> Response:
    headers = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    return JSONResponse({"error": refusal.what, "next": refusal.next_step}, refusal.status, headers)


async def _not_there(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = "This address does not take that." if status == 405 else "There is nothing at this address."
    return _refused(Refusal(status, what, "GET / is the page; POST /api/explain takes a picture."))
