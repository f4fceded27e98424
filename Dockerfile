# Build: the hashed requirements into a virtual environment, and a wheel of the project without dependencies.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /opt/whydenied \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --quiet --require-hashes -r requirements/dev.txt \
 && /opt/whydenied/bin/pip install --quiet --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md ./
COPY connectors/ connectors/
COPY service/ service/
COPY rules/ rules/
COPY prompts/ prompts/
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/whydenied/bin/pip install --quiet --no-deps /dist/*.whl
# What is computed once from the rules: a container, which forgets, would compute it at every start.
ENV XDG_CACHE_HOME=/opt/whydenied/cache
RUN echo access denied | /opt/whydenied/bin/whydenied explain > /dev/null \
 && chmod -R a+rX /opt/whydenied/cache

# Run: no compiler, no root, and nothing written but /var/lib/whydenied.
FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/whydenied --create-home whydenied
COPY --from=build /opt/whydenied /opt/whydenied
ENV PATH=/opt/whydenied/bin:$PATH WHYDENIED_DATA_DIR=/var/lib/whydenied XDG_CACHE_HOME=/opt/whydenied/cache \
    PYTHONDONTWRITEBYTECODE=1
USER whydenied
VOLUME /var/lib/whydenied
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
CMD ["whydenied", "serve", "--host", "0.0.0.0", "--port", "8000"]
