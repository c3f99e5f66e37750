"""How a bucket and an MWAA environment differ from what a release record says."""

import hashlib
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from mwaactl.environments import Environment
from mwaactl.release import target
from mwaactl.release.objects import AT_ONCE, Bucket
from mwaactl.release.record import Record

_SHOWN = 5


def of_objects(bucket: Bucket, record: Record, reread: Collection[str] | None) -> list[str]:
    """Return how the objects differ from the record."""
    listed = bucket.listed()
    where = f"s3://{bucket.environment.bucket}/{bucket.environment.key('')}"
    problems = [f"{where}{path} is not of this release" for path in sorted(set(listed) - set(record.files))]
    problems += [f"{where}{path} is gone" for path in sorted(set(record.files) - set(listed))]
    both = set(listed) & set(record.files)
    hashed = both if reread is None else both & set(reread)
    # An ETag may differ for equal contents, for instance after a copy under another key of KMS.
    hashed |= {path for path in both if listed[path] != (record.files[path].size, record.files[path].etag)}
    wanted = sorted(hashed)

    def content(path: str) -> str:
        return hashlib.sha256(bucket.get(path)).hexdigest()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found: Mapping[str, str] = dict(zip(wanted, pool.map(content, wanted), strict=True))
    problems += [f"{where}{path} has another content" for path in wanted if found[path] != record.files[path].sha256]
    if len(problems) > _SHOWN:
        problems[_SHOWN:] = [f"and {len(problems) - _SHOWN} more objects"]
    return problems


def of_environment(environment: Environment, record: Record) -> list[str]:
    """Return how MWAA's environment differs from the record."""
    found = target.describe(environment)
    problems = []
    if found["Status"] not in ("AVAILABLE", "UPDATE_FAILED"):
        problems.append(f"{environment.mwaa} is {found['Status']}")
    for name, field in target.PIN_FIELDS.items():
        if found.get(field) != record.pins.get(name):
            problems.append(f"{environment.mwaa} is built from another version of {name}: {found.get(field)}")
    has = found.get("AirflowConfigurationOptions") or {}
    if other := sorted(name for name in {*has, *record.options} if has.get(name) != record.options.get(name)):
        problems.append(f"{environment.mwaa} has other configuration options: {', '.join(other)}")
    return problems
