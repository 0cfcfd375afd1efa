FROM node:22-slim
ARG NPM_TOKEN
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN echo "//registry.npmjs.org/:_authToken=${NPM_TOKEN}" > ~/.npmrc && npm ci --omit=dev
COPY lib lib
USER node
HEALTHCHECK CMD ["node", "lib/health.js"]
CMD ["node", "lib/main.js"]
