# One image for a command, a Ray job and a Ray node.
#
#   docker build -t lightning-hpo .                                    (--build-arg BASE=... for another base image)
#   docker run --rm --shm-size=2g -v "$PWD:/work" lightning-hpo run recipe.yaml
#   docker run --rm --shm-size=2g --network=host --entrypoint ray lightning-hpo start --head --block
#   docker run --rm --shm-size=2g --network=host --entrypoint ray lightning-hpo start --address=HEAD:6379 --block
#
# Any base with CPython 3.10 or newer as `python3`, pip, bash and (for KubeRay's probes) wget or apt-get will do. Every
# node of one Ray cluster needs the same Python and the same Ray: use this image for all of them. PyTorch's wheels bring
# CUDA along, so the base needs none; the host needs the NVIDIA driver and container toolkit (docker run --gpus all).
# Ray keeps its object store in /dev/shm: Docker's own 64 MB are too small, hence --shm-size.
ARG BASE=python:3.12-slim
FROM ${BASE}

RUN command -v wget >/dev/null \
    || (apt-get update && apt-get install --yes --no-install-recommends wget && rm -rf /var/lib/apt/lists/*)

# What the package needs is a layer of its own: gigabytes that a change of our code does not move.
WORKDIR /opt/lightning-hpo
COPY pyproject.toml constraints.txt README.md ./
RUN mkdir lightning_hpo && python3 -m pip install --no-cache-dir --constraint constraints.txt .
COPY lightning_hpo lightning_hpo
RUN python3 -m pip install --no-cache-dir --no-deps --force-reinstall --constraint constraints.txt .
COPY recipes recipes

# A number, since Kubernetes can only tell from a number that a user is not root.
RUN useradd --create-home --uid 10001 tuner && install -d -o tuner /work
USER 10001
WORKDIR /work

ENTRYPOINT ["lightning-hpo"]
CMD ["--help"]
