FROM node:14
MAINTAINER someone@example.org
ENV PORT 8080
COPY . /app
WORKDIR app
RUN npm install --only=production
EXPOSE 3000
CMD npm start
