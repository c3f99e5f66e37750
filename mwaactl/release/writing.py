"""Brings a bucket from one release's files to another's, in an order that no container can misunderstand."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from mwaactl.errors import Problem
from mwaactl.release import stages
from mwaactl.release.contents import File
from mwaactl.release.lease import Lease
from mwaactl.release.objects import AT_ONCE, Bucket, Stored
from mwaactl.release.planning import Plan
from mwaactl.release.steps import Steps, bar

Result = TypeVar("Result")


class Writer:
    """Uploads and removals of one plan. `written` are the objects so far; `touched` says whether there is any change.

    `pause` are the seconds until all containers have what was written.
    """

    def __init__(self, plan: Plan, lease: Lease, steps: Steps, pause: float) -> None:
        self._plan = plan
        self._bucket = Bucket(plan.environment)
        self._lease = lease
        self._steps = steps
        self._pause = pause
        self._last = 0.0
        self.written: dict[str, Stored] = {}
        self.touched = False

    def environment_files(self) -> None:
        """Upload what the environment is built from: no container looks at it before an update names the version."""
        self._upload(stages.ENVIRONMENT, self._of_stage(stages.ENVIRONMENT))

    def restore_environment_files(self) -> None:
        """Put back what was there before `environment_files`, after an update that MWAA took back."""
        current = self._plan.current
        for path in [path for path in self.written if current and path in current.files]:
            self._lease.check()
            self._bucket.put(path, self._bucket.get(path, current.files[path].version if current else None))
        self.touched = current is None or self._plan.state.unfinished is not None

    def dags(self) -> None:
        """Make dags/ what is wanted: uploads in stages, then removals in the opposite order."""
        moved = stages.moved(self._plan.added, self._plan.removed)
        for stage in (stages.PROJECT, stages.MANIFEST, stages.SUPPORT, stages.PERHAPS, stages.DAG):
            paths = self._of_stage(stage)
            if paths:
                self._settle()
                self._upload(stage, paths)
            if stage == stages.PROJECT and moved:
                self._remove("moved files", sorted(moved))
        left = [path for path in self._plan.removed if path not in moved]
        for stage in (stages.DAG, stages.MANIFEST, stages.PROJECT):
            # Helpers go with DAGs: the name alone doesn't tell which is which.
            paths = [path for path in left if self._removed_in(path) == stage]
            if paths:
                self._settle()
                self._remove(f"removed {stages.NAMES[stage]}", paths)

    @staticmethod
    def _removed_in(path: str) -> int:
        stage = stages.stage_of(path)
        return stages.DAG if stage == stages.SUPPORT else stage

    def _of_stage(self, stage: int) -> list[str]:
        files = self._plan.wanted.files

        def of(path: str) -> int:
            return stages.stage_of(path, files[path].read() if path.endswith(".py") else None)

        return [path for path in self._plan.uploads if of(path) == stage]

    def _settle(self) -> None:
        """Wait until every container has seen what was written last."""
        if not self._last or self._pause <= 0:
            return
        with self._steps.step("sync") as told:
            while (left := self._last + self._pause - time.monotonic()) > 0:
                self._lease.check()
                told(f"until every container has synced what is there: {left:.0f} s")
                time.sleep(min(left, 1.0))

    def _upload(self, stage: int, paths: list[str]) -> None:
        if not paths:
            return
        files = self._plan.wanted.files

        def one(path: str) -> tuple[str, Stored]:
            return path, self._bucket.put(path, _content(path, files[path]))

        for path, stored in self._all(stages.NAMES[stage], paths, one):
            self.written[path] = stored
        if stage != stages.ENVIRONMENT:
            self._last = time.monotonic()

    def _remove(self, name: str, paths: list[str]) -> None:
        def one(path: str) -> tuple[str, None]:
            self._bucket.remove(path)
            return path, None

        self._all(name, paths, one)
        self._last = time.monotonic()

    def _all(self, name: str, paths: list[str], work: Callable[[str], Result]) -> list[Result]:
        """Do `work` for each path, several at a time, as long as the lease is held."""

        def guarded(path: str) -> Result:
            self._lease.check()
            self.touched = True
            return work(path)

        results: list[Result] = []
        with self._steps.step(name) as told, ThreadPoolExecutor(AT_ONCE) as pool:
            told(bar(0, len(paths)))
            futures = [pool.submit(guarded, path) for path in paths]
            try:
                for future in as_completed(futures):
                    results.append(future.result())
                    told(bar(len(results), len(paths)))
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
        return results


def _content(path: str, file: File) -> bytes:
    content = file.read()
    if File.of(content).sha256 != file.sha256:
        raise Problem(f"{file.origin or path} changed while it was released.", "Repeat the command.")
    return content
