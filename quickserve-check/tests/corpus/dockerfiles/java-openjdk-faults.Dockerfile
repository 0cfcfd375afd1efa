FROM maven:3.8-openjdk-11
ADD https://repo.example.org/tools/agent.jar /opt/agent.jar
COPY . /build
RUN cd /build && mvn package
ENV JAVA_OPTS="-Xmx512m"
ENV AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYzz
ENTRYPOINT java $JAVA_OPTS -jar /build/target/app.jar
