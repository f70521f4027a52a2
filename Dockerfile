# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY llms ./llms
# EXTRAS=llama-cpp compiles llama-cpp-python, for any processor of this kind; OpenMP stays on, without it the threads
# of a busy machine wait for each other by spinning.
ARG EXTRAS=local
ENV CMAKE_ARGS="-DGGML_NATIVE=OFF -DGGML_OPENMP=ON -DLLAVA_BUILD=OFF"
RUN case "$EXTRAS" in *llama-cpp*) apt-get update && apt-get install -y --no-install-recommends cmake g++ ninja-build;; esac \
 && python -m venv /opt/llms \
 && /opt/llms/bin/pip install --no-cache-dir --disable-pip-version-check ".[$EXTRAS]"

FROM python:3.11-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /data llms
COPY --from=build /opt/llms /opt/llms
COPY docker/entrypoint.sh /usr/local/bin/entrypoint.sh
ENV PATH=/opt/llms/bin:$PATH LLMS_DATA_DIR=/data PYTHONUNBUFFERED=1
USER llms
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["sh", "/usr/local/bin/entrypoint.sh"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
